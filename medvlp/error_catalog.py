"""The catalogue behind ``medvlp explain CODE``: every code, what it means and what helps.

Ranges: 10xx usage and configuration, 11xx files and folders, 12xx slides, 13xx feature files,
14xx models and weights, 15xx tasks and zero-shot, 16xx jobs and workers, 17xx training,
18xx losses, 19xx phantoms.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CATALOG", "Explanation"]


@dataclass(frozen=True)
class Explanation:
    """The longer text behind a code.

    Attributes:
        title: One line, lower case, no full stop.
        meaning: What the program found, in plain words.
        remedy: What a user can do.
    """

    title: str
    meaning: str
    remedy: str


CATALOG: dict[str, Explanation] = {
    "MV1001": Explanation(
        "unknown key in a configuration file",
        "A key of the file is not one that this file can hold, often a spelling mistake. Keys that "
        "have no effect are refused, because a run would silently differ from what was meant.",
        "Correct the key; the message names the nearest valid one.",
    ),
    "MV1002": Explanation(
        "a value in a configuration file is not valid",
        "A value has the wrong type or is outside its range, or a required key is missing.",
        "Correct the value at the dotted path that the message names.",
    ),
    "MV1003": Explanation(
        "unknown name",
        "A component was chosen by a name that nothing is registered under.",
        "Use one of the names that the message lists.",
    ),
    "MV1004": Explanation(
        "a configuration file cannot be read",
        "The file does not exist, is not readable, is too large, or is not UTF-8 text.",
        "Check the path and the rights, and save the file as UTF-8.",
    ),
    "MV1005": Explanation(
        "a configuration file is not plain YAML",
        "The text is not YAML, gives a key twice, or uses anchors, aliases or tags, which are not "
        "accepted because two readers would understand the file differently.",
        "Correct the line that the message names; put keys that look like numbers in quotes.",
    ),
    "MV1006": Explanation(
        "a command line override is not valid",
        "An offline entry point takes one YAML file and overrides of the form key=value; a "
        "word was something else, or there was no file.",
        "Give the file first, then overrides such as tiling.mpp=0.25.",
    ),
    "MV1101": Explanation(
        "a file cannot be read",
        "A file that a case or a manifest names does not exist, went away while it was used, or "
        "may not be read by you.",
        "Check the path, the drive that it is on, and your permission to read it; then start "
        "again: what is done is kept.",
    ),
    "MV1102": Explanation(
        "no case was found",
        "The input folder, file or manifest holds no slide, scan or image that can be told by its "
        "content.",
        "Check the path. `medvlp inspect FILE` says what a single file is taken for.",
    ),
    "MV1103": Explanation(
        "a file is where a folder should be",
        "The output path, or a part of it, is a file, or a folder has the name that a file should "
        "get.",
        "Choose another output folder, or move what is in the way.",
    ),
    "MV1104": Explanation(
        "the output folder is not writable",
        "The system refuses to create or change files there, because of permissions or because "
        "the drive is mounted read-only. The run stops, since every case would fail alike.",
        "Check the permissions, or choose another output folder with --out.",
    ),
    "MV1105": Explanation(
        "the disk is full",
        "The drive of the output folder, or your quota on it, is full. The run stops; nothing "
        "half-written has a final name.",
        "Free some space and start the same command again: what is done is kept.",
    ),
    "MV1106": Explanation(
        "an output cannot be written",
        "The file system reported a failure that is neither a missing permission nor a full disk, "
        "often a network drive that went away. The run stops; nothing half-written has a final "
        "name.",
        "Check the drive and start the same command again: what is done is kept.",
    ),
    "MV1107": Explanation(
        "a table is not valid",
        "A CSV file is not UTF-8, has no header line, repeats a column, or has a row with more or "
        "fewer cells than the header.",
        "Save the table as UTF-8 CSV with one header line; put cells that hold the separator into "
        "quotes.",
    ),
    "MV1108": Explanation(
        "nothing that medvlp knows",
        "The folder or file is none of the things that medvlp reads or writes.",
        "Give a slide, a feature file, a model bundle, a task, a manifest or a run folder.",
    ),
    "MV1109": Explanation(
        "no model serves this modality",
        "The case is of a kind (slide, CT, radiograph) that none of the given models can "
        "judge. The other cases go on.",
        "Pass a further --model for that modality, or leave such files out.",
    ),
    "MV1110": Explanation(
        "the output folder belongs to another run",
        "The folder was begun with other models, tasks, settings or versions. Mixing both "
        "would give tables that nobody can interpret.",
        "Choose another --out. Features can be reused with --features.",
    ),
    "MV1111": Explanation(
        "the result of a case is damaged",
        "The result file in the case's folder is missing or is not what this program writes.",
        "Delete the folder of the case and start the same command again.",
    ),
    "MV1201": Explanation(
        "the file cannot be opened as a slide",
        "No decoder knows the format of the file, or it uses a compression that the decoder lacks. "
        "Plain pictures, strip TIFFs and fluorescence files are not whole-slide images.",
        "Convert the file to a tiled pyramidal TIFF, for example with 'vips tiffsave IN OUT.tif "
        "--tile --pyramid --compression jpeg', and state its scale with --slide-mpp.",
    ),
    "MV1202": Explanation(
        "the slide file is empty, cut off or a placeholder",
        "The file has no bytes, ends before its own directory, or holds the short text that Git "
        "LFS puts in place of a large file. A copy or download was not finished.",
        "Copy or download the file again; for a Git LFS pointer run 'git lfs pull'.",
    ),
    "MV1203": Explanation(
        "the slide does not state its scale",
        "Tiles are cut in micrometres, and the metadata of this slide does not say how large a "
        "pixel is. The scale is never guessed, because a wrong one gives wrong results silently.",
        "State the micrometres per level-0 pixel with --slide-mpp, or for each slide in the "
        "manifest column slide_mpp. About 0.25 is usual for 40x scanners and 0.5 for 20x.",
    ),
    "MV1204": Explanation(
        "the stated scale of the slide cannot be true",
        "The micrometres per pixel are outside what slide scanners produce (0.05 to 20), often "
        "because a placeholder such as 72 dots per inch was stored.",
        "State the true micrometres per pixel with --slide-mpp or the manifest column slide_mpp.",
    ),
    "MV1205": Explanation(
        "the slide is coarser than the tiles that are wanted",
        "Even the finest level of the slide has fewer pixels per micrometre than asked for. "
        "Enlarging would add pixels but no detail, and a model would see blur.",
        "Use a model and task of a coarser scale (--mpp), or allow upsampling if you accept that.",
    ),
    "MV1206": Explanation(
        "a region of the slide does not decode",
        "The compressed data of this place are damaged. A single such tile is listed as failed; a "
        "whole slide fails only if too much of it is damaged.",
        "Copy the file again if it should be whole.",
    ),
    "MV1207": Explanation(
        "the slide was removed or changed while it was read",
        "The file at the end of reading is not the one that was opened. What was read so far is "
        "not kept, because it may come from two different files.",
        "Keep slides in place while they are read, then run again; finished slides are not "
        "repeated.",
    ),
    "MV1208": Explanation(
        "the slide file is not there or cannot be read",
        "The path names no file, names a folder, or you may not read it.",
        "Check the path and the permissions; for slides of several files name the main file.",
    ),
    "MV1209": Explanation(
        "one tile would need too many source pixels",
        "The tile is large in micrometres and the slide has no coarse level, so that every single "
        "tile would be read from very many pixels.",
        "Ask for a finer scale or smaller tiles, or convert the slide to a pyramid.",
    ),
    "MV1210": Explanation(
        "too many tiles of a slide do not decode",
        "More tiles are damaged than is tolerated, so a diagnosis would rest on an unknown "
        "part of the slide. Damaged tiles are never replaced by invented pixels.",
        "Copy the slide again from its source, or accept more with --max-failed-share.",
    ),
    "MV1301": Explanation(
        "the feature file cannot be read",
        "The path names no file, or you may not read it.",
        "Check the path and the permissions, or embed the slide again.",
    ),
    "MV1302": Explanation(
        "the features were made by another encoder",
        "Features of different encoders, or of other weights of the same encoder, cannot be "
        "compared. The file names the encoder and the hash of its weights.",
        "Use the model that made the features, or embed the slides again.",
    ),
    "MV1303": Explanation(
        "the features were made at another scale or tiling",
        "The micrometres per pixel, the tile size or the overlap differ from what is asked for.",
        "Embed the slides again at the wanted scale, or use a task of the scale of the features.",
    ),
    "MV1304": Explanation(
        "the features cannot be compared with text",
        "They come from before the projection into the space that images and text share, so their "
        "similarity to a prompt means nothing.",
        "Embed the slides again with an image-text model, which projects by itself.",
    ),
    "MV1305": Explanation(
        "the slide has changed since its features were made",
        "The hash of the slide's bytes differs from the one in the feature file.",
        "Embed the slide again.",
    ),
    "MV1306": Explanation(
        "an output was made with other parameters",
        "A feature or tile file of this name was made by another version or with other "
        "settings, so it is not reused.",
        "Choose another output folder, or delete the file.",
    ),
    "MV1310": Explanation(
        "the file is no tile feature file, or is damaged",
        "It is not HDF5, is HDF5 of another tool, or its bytes have changed since it was written.",
        "Embed the slide again; bring in files of other tools with 'medvlp import'.",
    ),
    "MV1311": Explanation(
        "the feature file points outside itself",
        "HDF5 files can take data from other files by links, external storage or virtual datasets, "
        "or ask for filters that load foreign code. A feature file needs none of that.",
        "Do not use the file; if you trust its source, copy its data into one plain file.",
    ),
    "MV1312": Explanation(
        "the feature file claims more data than it can hold",
        "The shape of a dataset asks for more memory than the file has bytes (or than the cap).",
        "Do not use the file: it is damaged, or made to exhaust memory.",
    ),
    "MV1313": Explanation(
        "features are not finite numbers",
        "At least one feature is NaN or infinite, which would spread to every result.",
        "Check the encoder's weights, and embed the slide again with --precision fp32.",
    ),
    "MV1314": Explanation(
        "a part of the feature file is missing or of the wrong kind",
        "A dataset or attribute is absent, or its shape, type or version is not the one expected.",
        "Embed the slide again, or read the file with the version of medvlp that wrote it.",
    ),
    "MV1401": Explanation(
        "no such model",
        "The name is neither a model folder on this machine nor a name that a known library or "
        "the hub answers to.",
        "Check the path, or use hf-hub:owner/name, open_clip:ARCH[/PRETRAINED] or "
        "timm:ARCH[/PRETRAINED].",
    ),
    "MV1402": Explanation(
        "unknown architecture or weights name",
        "The library has no architecture or no trained weights of this name.",
        "Use the nearest valid name in the message, or list them with the library.",
    ),
    "MV1403": Explanation(
        "a model folder lacks a file",
        "A model is a folder with its description, its weights and its tokenizer, and one of "
        "these is not there.",
        "Copy or download the whole folder again.",
    ),
    "MV1404": Explanation(
        "a file of a model bundle was changed",
        "The sha256 of the file is not the one in medvlp.json: it was edited, cut short in a "
        "copy, or taken from another model. It was not loaded.",
        "Copy the whole model folder again from where it came from.",
    ),
    "MV1405": Explanation(
        "weights hold NaN or infinity",
        "A parameter holds values that are not numbers, so every feature would be NaN too. "
        "Training diverged, or the file is damaged.",
        "Use an earlier copy of the model, or train again with a lower learning rate.",
    ),
    "MV1406": Explanation(
        "pickled weights are refused",
        "Files ending in .pt, .pth, .bin, .ckpt or .pkl are Python pickles. Loading one can run "
        "any program that somebody hid in it, so model files are read from safetensors only.",
        "On a machine you can afford to lose, load the file with torch.load(weights_only=True) "
        "and write it again with safetensors.torch.save_file.",
    ),
    "MV1407": Explanation(
        "a model description is not valid",
        "The description of a model (medvlp.json or a library's settings file) has an unknown "
        "key, a bad value, or settings that do not go together.",
        "Correct the value at the dotted path that the message names, or save the model again.",
    ),
    "MV1408": Explanation(
        "a model bundle of another format version",
        "The layout of the bundle is not the one that this version of the program reads.",
        "Use the release that wrote the bundle, or a newer one.",
    ),
    "MV1409": Explanation(
        "weights do not fit the architecture",
        "Names or shapes in the weights file are not those of the architecture, so the file "
        "belongs to another model or to other settings.",
        "Check the architecture's name and settings; take weights and settings from one source.",
    ),
    "MV1410": Explanation(
        "the tokenizer is missing or is not usable",
        "A text tower needs the tokenizer it was trained with, as a tokenizer.json with a lower-"
        "case WordPiece vocabulary for our own models, else the files that its library asks for.",
        "Copy the whole model folder again; without network, fetch the tokenizer once beforehand.",
    ),
    "MV1411": Explanation(
        "a way of preparing pixels that is not supported",
        "The model asks for a resampling filter, a crop or an input shape that is not "
        "implemented. Preparing pixels another way would give wrong features without any sign of "
        "it.",
        "Choose a model with bicubic or bilinear resizing, a centre crop and a square RGB input.",
    ),
    "MV1412": Explanation(
        "a model cannot be fetched from the hub",
        "The model is not in the local cache and the hub could not be reached, has no such model,"
        " or does not open it to you.",
        "Fetch it once on a machine with network; accept the terms of a gated model and log in.",
    ),
    "MV1413": Explanation(
        "a model without a text tower cannot be used for zero-shot",
        "Zero-shot compares images with texts, and this model has an image tower only.",
        "Use a model bundle or an open_clip model; use image towers to embed.",
    ),
    "MV1414": Explanation(
        "a weights file is damaged",
        "The file does not read as safetensors: it is cut short, or is of another format under "
        "this name (a Git LFS pointer, for example).",
        "Copy or download the file again.",
    ),
    "MV1415": Explanation(
        "unknown device or precision",
        "The device is not on this machine, or the precision is not one of fp32 and bf16.",
        "Leave the option out, or use a value that the message lists.",
    ),
    "MV1416": Explanation(
        "a model that brings its own program is refused",
        "The settings of the model ask for Python code from the model's folder to be run. That "
        "code could do anything, so such models are not loaded.",
        "Use a model that the installed libraries can build from its settings and weights.",
    ),
    "MV1417": Explanation(
        "the encoder gave NaN or infinite features",
        "The forward pass overflowed, or the weights do not fit the input.",
        "Run with --precision fp32; if that does not help, check the weights.",
    ),
    "MV1501": Explanation(
        "a task without classes",
        "The list of classes is empty, so there is nothing to tell apart.",
        "List the classes, each with the names that stand for it.",
    ),
    "MV1502": Explanation(
        "a role names no class",
        "'normal' or 'positive' holds a name that is not one of the classes of the task.",
        "Use the name of a class exactly as it is written under 'classes'.",
    ),
    "MV1503": Explanation(
        "a head lacks a setting",
        "The rule that judges a case needs something the task does not say: the class that "
        "detection looks for, the normal class, top_j, absent_names, or more classes.",
        "Add the key that the message names, or choose another head.",
    ),
    "MV1504": Explanation(
        "names or templates are missing or have no place for the name",
        "Prompts are made by putting each name of a class into each template at {}.",
        "Give every class a name and at least one template that holds {} exactly once.",
    ),
    "MV1505": Explanation(
        "the scale does not fit the modality",
        "Slides are described by mpp and tile_px, CT by spacing_mm and window_hu; radiographs have "
        "no scale.",
        "Write the scale of the modality of the task.",
    ),
    "MV1506": Explanation(
        "a setting without effect",
        "The task holds a setting that none of its heads looks at, or a head that does not judge "
        "cases of its modality. It is refused, because the run would differ from what was meant.",
        "Remove the setting or choose the head that uses it.",
    ),
    "MV1507": Explanation(
        "the same thing is given twice",
        "A name, a template, a head or a number appears twice; a name that stands for two classes "
        "makes them indistinguishable, and a repeated one would count twice.",
        "Keep one of them.",
    ),
    "MV1508": Explanation(
        "top_j is not positive",
        "top_j says how many of the highest tile scores are pooled, so it is at least 1.",
        "Use whole numbers of 1 or more.",
    ),
    "MV1509": Explanation(
        "no logit scale",
        "The task takes the multiplier of the cosines from the model, and the model has none.",
        "Write a number under logit_scale in the task; KEEP uses 10.",
    ),
    "MV1510": Explanation(
        "a prompt file cannot be used",
        "The file is not JSON of prompt sets, each with 'classnames' and 'templates', or its "
        "classes are not those of the task.",
        "Compare the file with the layouts in the documentation and its classes with the task.",
    ),
    "MV1511": Explanation(
        "features and text embeddings have different widths",
        "The features come from another encoder than the text classifier, or from before the "
        "projection into the space that images and texts share.",
        "Embed the case again with the model that is used for zero-shot.",
    ),
    "MV1512": Explanation(
        "features that are not finite",
        "Some features are NaN or infinite, so the encoder or its input was broken.",
        "Embed the case again; if it happens again, check the weights of the model.",
    ),
    "MV1513": Explanation(
        "features that are not of unit length",
        "Zero-shot compares directions; projected features are stored with length 1. Other lengths "
        "mean that the features were saved before projection or normalisation.",
        "Embed the case again with projected, normalised features.",
    ),
    "MV1514": Explanation(
        "text embeddings that cannot be used",
        "The text tower returned NaN, zero vectors, or an array of another shape than one row per "
        "text; broken weights are the usual cause.",
        "Check the weights of the model and its tokenizer.",
    ),
    "MV1515": Explanation(
        "too many candidate prompt sets",
        "Screening tries every combination of one name per class with one template, and there are "
        "too many of them.",
        "Shorten the lists of names or templates, or give the candidates in a prompt file.",
    ),
    "MV1516": Explanation(
        "the scale of the task is not the scale of the model",
        "A model sees tissue at the scale it was trained at; at another scale its scores mean "
        "something else.",
        "Set mpp and tile_px of the task to those of the model, or pass --allow-scale if this "
        "is meant.",
    ),
    "MV1600": Explanation(
        "an error that the program did not expect",
        "A step failed in a way that is not a known problem of the input. The case is listed as "
        "failed and the others go on.",
        "Read the log of the case below the run's logs folder. If the file opens in other "
        "programs, please report the log as a bug.",
    ),
    "MV1601": Explanation(
        "a worker process crashed",
        "Files are read in a separate process so that a crash inside a library is the failure of "
        "one case only. That process was ended by a signal, or it ended without an answer. "
        "Damaged files do that; so does the system when the machine runs out of memory (SIGKILL).",
        "Open the file in another viewer; copy it again if it is damaged. For SIGKILL, run fewer "
        "processes at once.",
    ),
    "MV1602": Explanation(
        "a worker process needed too much memory",
        "The file asked for more memory than a worker may take. Damaged and hostile files do "
        "that: a few kilobytes can claim terabytes.",
        "Check the file in another viewer. If it is sound, raise the memory limit of the worker.",
    ),
    "MV1603": Explanation(
        "a worker process took too long",
        "The worker gave no result for the time that is allowed, so it was ended.",
        "Check the file and the drive that it is on. If both are sound, raise the time limit of "
        "the worker.",
    ),
    "MV1604": Explanation(
        "a worker process did not start",
        "The separate process that reads files ended before it took its task. A script that "
        "starts work when it is imported does that, and so does a machine without free memory.",
        'In your own script, put the call below `if __name__ == "__main__":`. Otherwise check the '
        "free memory and the limit of processes.",
    ),
    "MV1605": Explanation(
        "another output is in the way",
        "The output of the case exists, but it was made from other input, settings or weights, "
        "and this run may not replace it.",
        "Choose another output folder, or move the old output away.",
    ),
    "MV1606": Explanation(
        "two runs share a folder with different lease settings",
        "Processes that share the work of one folder must agree how long a silent one counts as "
        "alive. Another process holds a case under other settings, perhaps because it is another "
        "version.",
        "Use the same version and settings in all processes of one output folder.",
    ),
    "MV1701": Explanation(
        "a folder of pairs cannot be used",
        "Training reads a folder with pairs.parquet, pairs.json and tar shards. A file is missing "
        "or damaged, or the manifest is not the one that the folder was written with.",
        "Check the path, copy the whole folder again, or write the pairs again.",
    ),
    "MV1702": Explanation(
        "an image of a pair cannot be read",
        "A shard is missing or shorter than the manifest says, or the bytes of an image do not "
        "decode.",
        "Copy the whole pairs folder again, or write the pairs again.",
    ),
    "MV1703": Explanation(
        "the training loss is not a number",
        "The loss became NaN or infinite, so every further step would destroy the weights.",
        "Lower the learning rate or lengthen the warm-up; check the images and captions too.",
    ),
    "MV1704": Explanation(
        "a run has already finished in this folder",
        "The folder holds a model bundle. A second run would mix its logs with those of the first.",
        "Choose another run folder, or move the old one away.",
    ),
    "MV1705": Explanation(
        "a split without pairs",
        "The folder of pairs has none in the split that is asked for.",
        "Use a split that the message lists, or write the pairs with that split.",
    ),
    "MV1706": Explanation(
        "an objective that runs on one process only",
        "This objective compares the pairs of one process. On several, each would see a part of "
        "the batch and the result would differ from what the settings say.",
        "Train on one device.",
    ),
    "MV1901": Explanation(
        "unknown phantom tissue or diagnosis",
        "A phantom was asked for by the name of a tissue class or diagnosis that does not exist.",
        "Use one of the names that the message lists.",
    ),
    "MV1902": Explanation(
        "a phantom slide of this size or scale cannot be made",
        "A setting of the phantom slide is outside the range in which pictures come out sensible.",
        "Choose a value inside the range that the message states.",
    ),
    "MV1903": Explanation(
        "the truth of a phantom slide cannot be read",
        "The label map (.truth.npz) or the words (.truth.json) beside a phantom slide are missing "
        "or damaged.",
        "Write the slide again with write_phantom_slide, or keep the three files together.",
    ),
}
