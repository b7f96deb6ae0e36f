"""The API in OpenAPI 3.1, made of what serves it: routes, views, serializers and problems.

`document.document()` is all of it; what no declaration says of a call stands in calls.py.
"""
