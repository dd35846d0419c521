"""Makes the current folder a repository of Oxen."""

from oxen import Repo, user

user.config_user("bench", "bench@localhost")
Repo(".").init()
