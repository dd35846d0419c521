"""What MLflow's own server says of names: a JSON array [kind, name] per line in, true or words of why not per line out."""

import json
import sys

from mlflow.utils.uri import validate_path_is_safe
from mlflow.utils.validation import _validate_metric_name, _validate_param_name, _validate_tag_name
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH


def check(kind, name):
    if kind == "path":
        return validate_path_is_safe(name) == name
    for validate in (_validate_metric_name, _validate_param_name, _validate_tag_name):
        validate(name)
    return 0 < len(name) <= MAX_ENTITY_KEY_LENGTH


for line in sys.stdin:
    try:
        print(json.dumps(check(*json.loads(line))))
    except Exception as error:
        print(json.dumps(str(error)))
