from __future__ import annotations

import pytest
import yaml
from django.test import Client

pytestmark = pytest.mark.django_db

# As the published API names them.
OPERATIONS = {
    "SetUserEscalation",
    "GetUserEscalation",
    "SetOrganizationEscalation",
    "GetOrganizationEscalation",
    "RemoveOrganizationEscalation",
    "GetAlarmMessageStatus",
    "feedback",
}


@pytest.mark.parametrize("path", ["/api/schema", "/api/schema/"])
def test_the_openapi_document_is_where_the_readme_says_and_names_the_operations(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    document = yaml.safe_load(answer.content)
    named = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    assert named >= OPERATIONS
