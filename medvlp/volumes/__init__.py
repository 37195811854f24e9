"""CT scans: found, read, checked, masked, cropped, stored.

``series`` finds the scans of a folder, zip or DICOMDIR (``grouping`` sorts the slices,
``archives`` unpacks, ``files`` tells formats apart); ``reader`` opens one of any format:
``dicom_reader`` (headers in ``dicom_slices``, order and spacing in
``slice_stack``, pixels in ``dicom_pixels``, irregular series in ``regular_grid``),
``nifti_reader``, ``nrrd_reader``, ``metaimage_reader``, ``store`` (our own chunked files). A
``volume`` holds Hounsfield units ``(z, y, x)`` and a ``geometry`` in LPS millimetres;
``hounsfield`` and ``laterality`` tell values and sides that cannot be right; ``limits`` cap what a
hostile file may ask for. ``masks`` reads label maps, ``organ_finders`` make them, ``regions`` finds
organs in them, and ``crops`` cuts a box of physical size with one interpolation.

For the scan of a case in a mixed folder: ``case_scan`` opens it again from its files, ``survey``
checks it and plans ``units`` (the boxes to encode; ``organ_masks`` and ``label_maps`` know masks as
they lie in folders), ``cutting`` cuts them a few at a time, and ``features`` keeps what an encoder
makes of them (described in ``feature_meta``).
"""
