"""Finds, slows and proves the theft of AI models through their API.

The rooms follow the path of the data:

    exchange -> encoding -> signals -> linking -> evidence -> verdict

and a driver walks it: `gamekeeper.hunt` over stored logs. Importing this package loads nothing
heavy.
"""

__version__ = "0.1.0"
