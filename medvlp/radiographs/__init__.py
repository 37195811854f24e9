"""Chest X-rays: told from other files, read as a radiologist would see them, framed, stored.

``reader`` tells X-rays by content and reads one of any format: DICOM in ``dicom_image`` (what the
``header`` says, with its ``lookup_tables``; sides and directions in ``views``) and PNG or JPEG in
``pictures``. ``display`` makes gray levels of stored values, ``frames`` asks which picture of a
film is meant, and ``limits`` cap what a hostile file may ask for. An ``image`` holds values in
[0, 1], bright where the body is dense. ``framing`` brings it to the square that a network takes,
and leads boxes and maps back; ``features`` keeps what an encoder makes of it.
"""
