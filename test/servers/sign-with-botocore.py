# Signs what it is told as AWS's own library for Python does: JSON in, JSON out, one answer for each request.
import datetime
import json
import sys

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session


def at(moment):
    """Sets the library's clock."""
    fixed = datetime.datetime.strptime(moment, "%Y%m%dT%H%M%SZ")
    botocore.auth.get_current_datetime = lambda *_, **__: fixed


def answer(wish):
    at(wish["date"])
    keys = wish["keys"]
    credentials = botocore.credentials.Credentials(
        keys["accessKeyId"], keys["secretAccessKey"], keys.get("sessionToken")
    )
    if wish["kind"] == "rds":
        session = botocore.session.get_session()
        client = session.create_client(
            "rds",
            region_name=wish["region"],
            aws_access_key_id=keys["accessKeyId"],
            aws_secret_access_key=keys["secretAccessKey"],
            aws_session_token=keys.get("sessionToken"),
        )
        return client.generate_db_auth_token(wish["host"], wish["port"], wish["user"])
    request = botocore.awsrequest.AWSRequest(
        method=wish["method"],
        url=wish["url"],
        headers=wish.get("headers", {}),
        data=wish.get("body", "").encode(),
    )
    is_s3 = wish["service"] == "s3"
    if wish["kind"] == "presign":
        kind = botocore.auth.S3SigV4QueryAuth if is_s3 else botocore.auth.SigV4QueryAuth
        kind(credentials, wish["service"], wish["region"], expires=wish["expires"]).add_auth(request)
        return request.url
    kind = botocore.auth.S3SigV4Auth if is_s3 else botocore.auth.SigV4Auth
    kind(credentials, wish["service"], wish["region"]).add_auth(request)
    return request.headers["Authorization"]


json.dump([answer(wish) for wish in json.load(sys.stdin)], sys.stdout)
