"""Chest X-rays: read as a radiologist would see them, framed for a network, features stored.

``reader`` tells X-rays from other files by content and reads one of any format: ``dicom_image``
(what the header says in ``dicom_header``, how stored values become gray levels in ``display``,
sides and views in ``views``) and ``pictures`` (PNG and JPEG). An ``image`` holds values in [0, 1],
bright where the body is dense. ``framing`` brings it to a square and leads boxes and maps back;
``limits`` cap what a hostile file may ask for; ``features`` keeps what an encoder makes of it.
"""
