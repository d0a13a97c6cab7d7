"""How the OpenAPI document is made from the views; see openapi.py for what they do not say themselves."""

SPECTACULAR_SETTINGS = {
    "TITLE": "Alarm messaging",
    "DESCRIPTION": (
        "Raises alarms, tells what became of every message, and takes the answers.\n\n"
        "Every path works with and without a slash at its end, and unknown fields are ignored. Every error is JSON, "
        "also 404 for a path that there is not, 405 for another method, 414 and 431 for what is too long."
    ),
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SCHEMA_PATH_PREFIX_TRIM": True,
    "SERVERS": [{"url": "/api/v1"}],
    "PREPROCESSING_HOOKS": ["messaging_project.openapi.without_slash"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "messaging_project.openapi.complete",
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "WayOfAlarm": "organizations.models.Way",
        "StatusEnum": "alarms.models.DeviceMessage.Status",
    },
}
