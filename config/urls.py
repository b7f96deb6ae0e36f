"""Where each face begins, and who answers what no face does."""

from populace.api import urls as api
from populace.console import urls as console

urlpatterns = [*api.urlpatterns, *console.urlpatterns]

handler400 = "populace.api.problems.bad_request"
handler403 = "populace.api.problems.forbidden"
handler404 = "populace.api.problems.not_found"
handler500 = "populace.api.problems.internal"
