"""Scratch folders: gone with the block, and those of killed processes gone with the next one."""

import fcntl

from populace.infra.scratch import scratch


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
