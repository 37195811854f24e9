"""Rows of a manifest of pairs, for tests."""


def row(number, **changes):
    values = {
        "sample_id": f"tile_{number:03d}",
        "shard": "000000.tar",
        "offset": 512 * (2 * number + 1),
        "size": 100 + number,
        "modality": "slide",
        "group_id": number // 2,
        "concept_ids": ["DOID:1", f"DOID:{number}"] if number % 3 else [],
        "captions": [f"tumour {number}", "größer Tumor"][: 1 + number % 2],
        "split": "train" if number < 4 else "test",
        "source": "phantom",
        "licence": "CC0",
    }
    return {**values, **changes}


ROWS = [row(number) for number in range(6)]
