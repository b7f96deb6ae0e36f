"""The seed's Task 1 from DRF's own parts: as a newcomer writes it, and its list again as it should be written."""

from rest_framework import filters, generics, pagination, viewsets

from bench.naive.models import User
from bench.naive.serializers import PersonSerializer, UserSerializer


class UserViewSet(viewsets.ModelViewSet):
    """A newcomer's: CRUD, `icontains` search, pages by COUNT and OFFSET, and a query for the groups of each person."""

    queryset = User.objects.order_by("id")  # the order that is kindest to an OFFSET
    serializer_class = UserSerializer
    filter_backends = [filters.SearchFilter]
    search_fields = ["username", "email", "first_name", "last_name"]


class NewestFirst(pagination.CursorPagination):
    ordering = ("-date_joined", "id")  # models.User has the index
    page_size = 20


class PeopleView(generics.ListAPIView):
    """A good ordinary list: two statements at any depth, no column that is not shown."""

    queryset = User.objects.only(*(set(PersonSerializer.Meta.fields) - {"groups"})).prefetch_related("groups")
    serializer_class = PersonSerializer
    pagination_class = NewestFirst
