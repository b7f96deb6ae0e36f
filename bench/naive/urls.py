"""`/users/` and `/users/{id}/` as a newcomer writes them; `/people/`, the same list by somebody who knows DRF."""

from django.urls import path
from rest_framework.routers import DefaultRouter

from bench.naive.views import PeopleView, UserViewSet

router = DefaultRouter()
router.register("users", UserViewSet)
urlpatterns = [path("people/", PeopleView.as_view()), *router.urls]
