"""Builds the image of the Dockerfile where there is no container engine, too.

Standard library only, so that it runs wherever Python does.
"""
