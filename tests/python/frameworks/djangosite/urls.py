from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import path

from . import views

urlpatterns = [
    path("", views.index),
    path("count", views.count),
    path("upload", views.upload),
    path("stream/<int:megabytes>", views.stream),
    path("file", views.file),
    path("static/<path:path>", serve, {"insecure": True}),
    path("admin/", admin.site.urls),
]
