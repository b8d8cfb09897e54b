"""What every package needs, once. It imports no other package of gamekeeper.

errors       the tree of errors, and the fault that an error shows
text         hostile text made safe to show: control characters and secrets
files        files that are written whole or not at all
secret       key material that never prints, and the one comparison of secrets
canonical    the one way to write a JSON value
asgi         request bodies and headers of ASGI
progress     callbacks that long work reports to
clock        a clock that never jumps
lazy         names of a package that are loaded when first used
zstd         zstd, from Python or its backport
thirdparty   files of other projects that the build copies into the package
"""
