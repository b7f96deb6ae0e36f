"""Scratch folders: gone with the block, and those of killed processes gone with the next one."""

import fcntl
import os
import time

from populace.infra.scratch import UPLOAD_S, scratch


def test_a_folder_is_gone_with_its_block_and_what_a_killed_process_left_with_the_next(settings, tmp_path):
    """populace/infra/scratch.py:_sweep"""
    settings.VAR_DIR = tmp_path
    for name in ("left", "held"):
        (tmp_path / "spool" / name).mkdir(parents=True)
        (tmp_path / "spool" / name / "file").write_text("x")
    (tmp_path / "spool" / "left.lock").touch()
    with (tmp_path / "spool" / "held.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with scratch() as folder:
            (folder / "file").write_text("x")
            assert folder.stat().st_mode & 0o777 == 0o700
            assert (tmp_path / "spool" / "held" / "file").exists()
            assert not (tmp_path / "spool" / "left").exists()
        assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == ["held", "held.lock"]


def test_a_file_of_a_form_that_no_byte_came_to_for_a_day_is_gone_with_the_next_folder(settings, tmp_path):
    """populace/infra/scratch.py:_sweep (UPLOAD_S)"""
    settings.VAR_DIR = tmp_path
    (tmp_path / "spool").mkdir()
    for name, age in (("old.upload.csv", UPLOAD_S + 60), ("new.upload.csv", 0)):
        (tmp_path / "spool" / name).touch()
        os.utime(tmp_path / "spool" / name, (time.time() - age,) * 2)
    with scratch():
        pass
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["new.upload.csv"]
