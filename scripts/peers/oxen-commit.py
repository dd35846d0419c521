"""Adds a folder to the repository around it, and commits: oxen-commit.py FOLDER."""

import sys

from oxen import Repo

repo = Repo(".")
repo.add(sys.argv[1])
repo.commit("input")
