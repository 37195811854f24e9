"""What an offline run of Weights & Biases has written, read without its client."""

from collections.abc import Iterator

from wandb.proto import wandb_internal_pb2


def wandb_records(content: bytes) -> Iterator[wandb_internal_pb2.Record]:
    """Yield the records of a run: they are split over blocks of 32 KiB, as LevelDB's are."""
    blocks, record = [content[7:32768]], b""
    blocks += [content[at : at + 32768] for at in range(32768, len(content), 32768)]
    for block in blocks:
        at = 0
        while at + 7 <= len(block):
            length, kind = int.from_bytes(block[at + 4 : at + 6], "little"), block[at + 6]
            record += block[at + 7 : at + 7 + length]
            at += 7 + length
            if kind in (1, 4):
                yield wandb_internal_pb2.Record.FromString(record)
                record = b""


def texts_of(message) -> list[str]:
    """Return every text of a record.

    Bytes alone will not do to look for a name of two letters: the numbers beside hold it by chance.
    """
    texts = []
    for field, value in message.ListFields():
        several = value if field.is_repeated else [value]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            texts += [str(word) for pair in value.items() for word in pair]
        elif field.message_type is not None:
            texts += [text for each in several for text in texts_of(each)]
        else:
            texts += [text for text in several if isinstance(text, str)]
    return texts
