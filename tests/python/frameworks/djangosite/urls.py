from django.contrib import admin
from django.urls import path

from . import views

urlpatterns = [
    path("", views.index),
    path("count", views.count),
    path("upload", views.upload),
    path("stream/<int:megabytes>", views.stream),
    path("file", views.file),
    path("admin/", admin.site.urls),
]
