from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "populace.audit"

    def ready(self) -> None:
        """Have upkeep done, of the log's partitions and of what others register."""
        from populace.audit.tasks import UPKEEP_S, upkeep
        from populace.infra.tasks.schedule import SCHEDULE, Periodic

        SCHEDULE.append(Periodic("upkeep", UPKEEP_S, upkeep))
