"""What a recipe names on this disk: its files and script, read and digested. Reads only, and touches no cloud."""

from vmpattern.recipe.contents import contents_of
from vmpattern.recipe.sources import PROVISION, Entry, Kind, Source, fingerprint, read_script, read_source

__all__ = ["PROVISION", "Entry", "Kind", "Source", "contents_of", "fingerprint", "read_script", "read_source"]
