from django.apps import AppConfig


class BulkConfig(AppConfig):
    name = "populace.bulk"

    def ready(self) -> None:
        """Have jobs run once they are asked for, told dead when their task is, and forgotten when they are over."""
        import populace.bulk.import_job  # noqa: F401 (adds its kind)
        from populace.audit.consequences import on
        from populace.bulk import bulk_actions, exports, group_delete, undo  # noqa: F401 (each adds its kind)
        from populace.bulk.expiry import delete_expired, delete_leftovers
        from populace.bulk.here import cancel_forgotten
        from populace.bulk.models import BulkTarget, Job
        from populace.bulk.tasks import enqueue_again, given_up, run_job
        from populace.infra.tasks.chores import CHORES
        from populace.infra.tasks.registry import WHEN_DEAD
        from populace.users.erasure import EXEMPT

        on("job.created", run_job)
        WHEN_DEAD[run_job.module_path] = given_up
        EXEMPT[Job] = "names who asked for it by id alone, and is deleted with its files days after its end"
        EXEMPT[BulkTarget] = "names whom a job is about by id alone, and is deleted with the job"
        ours = (delete_expired, delete_leftovers, cancel_forgotten, group_delete.go_on, enqueue_again)
        CHORES.extend(chore for chore in ours if chore not in CHORES)
