"""Models of Keras 3 (.keras): a zip archive of a configuration and weights in HDF5.

The configuration is parsed: a Lambda layer in it is Python, which Keras runs if it is told to.
Source: keras, saving/saving_lib.py.
"""

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._format import Recognised, suffix_of
from gamekeeper.sealing.artifacts.formats._zip import PartBytes, open_zip, parts_of, read_part
from gamekeeper.sealing.artifacts.formats.code import code_in_json
from gamekeeper.sealing.artifacts.formats.hdf5 import code_in_hdf5, is_hdf5
from gamekeeper.sealing.artifacts.formats.text import parsed_json
from gamekeeper.sealing.contents import ContentsError

_CONFIGURATION = "config.json"
_METADATA = "metadata.json"
_WEIGHTS = "model.weights.h5"
_PARTS = {_CONFIGURATION, _METADATA, _WEIGHTS}


def recognise_keras(data: ByteSource, path: str) -> Recognised | None:
    """Recognises a model of Keras.

    An archive with files of layers ("assets") is not recognised: what they are is for the layer
    to say.

    Raises:
        ContentsError: It is damaged.
    """
    if suffix_of(path) != ".keras":
        return None
    archive = open_zip(data)
    if archive is None or set(parts_of(archive)) != _PARTS:
        return None
    parsed_json(read_part(archive, _METADATA))
    weights = PartBytes(archive, _WEIGHTS)
    if not is_hdf5(weights):
        raise ContentsError("its weights are not a file of HDF5")
    code = code_in_json(parsed_json(read_part(archive, _CONFIGURATION))) + code_in_hdf5(weights)
    return Recognised(name="Keras", is_model=True, code=code)
