"""`/users/` and `/users/{id}/`."""

from rest_framework.routers import DefaultRouter

from bench.naive.views import UserViewSet

router = DefaultRouter()
router.register("users", UserViewSet)
urlpatterns = router.urls
