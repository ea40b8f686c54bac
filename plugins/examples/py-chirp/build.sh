#!/bin/sh
# Puts the plugin and the SDK in dist. Outside of this repository, where the SDK
# is installed, the second line is all there is to it.
export PYTHONPATH="${PYTHONPATH:-../../sdk-py/src}"
exec python3 -m carillon_plugin.bundle main.py -o dist "$@"
