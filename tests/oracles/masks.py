"""Masks and tiles by explicit loops, written from KEEP's segmentation scores.

KEEP, github.com/MAGIC-AI4Med/KEEP, WSI_evaluation. Dice 1945, doi:10.2307/1932409.
"""


def tile_truth(mask, coords, tile):
    found = []
    for x, y in coords:
        count = 0
        for row in range(y, y + tile):
            for col in range(x, x + tile):
                if 0 <= row < len(mask) and 0 <= col < len(mask[0]) and mask[row][col]:
                    count += 1
        found.append(count > tile * tile / 2)
    return found


def paint(shape, coords, tile, d):
    canvas = [[False] * shape[1] for _ in range(shape[0])]
    for x, y in coords:
        for row in range(int(y / d), int(y / d + tile / d)):
            for col in range(int(x / d), int(x / d + tile / d)):
                if row < shape[0] and col < shape[1]:
                    canvas[row][col] = True
    return canvas


def dice(one, two):
    both = sum(a and b for r, s in zip(one, two, strict=True) for a, b in zip(r, s, strict=True))
    total = sum(map(sum, one)) + sum(map(sum, two))
    return 2 * both / total if total else 1.0
