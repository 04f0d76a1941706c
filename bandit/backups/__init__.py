"""Copies of the whole state: made beside a running service, verified, and put back elsewhere."""

from bandit.backups.making import back_up
from bandit.backups.manifest import BackupManifest
from bandit.backups.restoring import Restored, restore
from bandit.backups.verifying import Verified, verify

__all__ = ["BackupManifest", "Restored", "Verified", "back_up", "restore", "verify"]
