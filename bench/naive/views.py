"""The seed's Task 1 as a newcomer writes it: CRUD, page numbers and search (`icontains`) from DRF's own parts."""

from rest_framework import filters, viewsets

from bench.naive.models import User
from bench.naive.serializers import UserSerializer


class UserViewSet(viewsets.ModelViewSet):
    # By id, the kindest order: DRF's quickstart sorts by date_joined, which has no index here.
    queryset = User.objects.order_by("id")
    serializer_class = UserSerializer
    filter_backends = [filters.SearchFilter]
    search_fields = ["username", "email", "first_name", "last_name"]
