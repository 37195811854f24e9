"""CT scans: found, read, checked, cropped.

``series`` finds the scans of a folder, zip or DICOMDIR (``grouping`` sorts the slices,
``archives`` unpacks, ``files`` tells formats apart); ``reader`` opens one of any format:
``dicom_reader`` (headers in ``dicom_header`` and ``dicom_slices``, order and spacing in
``slice_stack``, pixels in ``dicom_pixels``), ``nifti_reader``, ``nrrd_reader``,
``metaimage_reader``. A ``volume`` holds Hounsfield units ``(z, y, x)`` and a ``geometry`` in LPS
millimetres; ``limits`` cap what a hostile file may ask for.
"""
