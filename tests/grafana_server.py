"""A Grafana for tests: it keeps state, and refuses what the published API would refuse.

No package of Grafana can be had here, so this stands in. Each request is validated against the schemas of Grafana's own
API description (tests/data/grafana-api.json); a member that is not in them is refused, too, although Grafana overlooks
it: it would be a typing error of ours. Optimistic locking, conflicts of uids and names, provenance, and the answers
400, 401, 403, 404, 409 and 412 are as the API's documentation tells them. Queries go to a real InfluxDB.
"""

import copy
import json
import re
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from jsonschema import Draft7Validator

DEFINITIONS = json.loads((Path(__file__).parent / "data" / "grafana-api.json").read_text())["definitions"]
for definition in DEFINITIONS.values():
    if "properties" in definition:
        definition["additionalProperties"] = False

ADMIN, EDITOR, VIEWER = "token-of-an-admin", "token-of-an-editor", "token-of-a-viewer"
RANKS = ("Viewer", "Editor", "Admin")
ROLES = {ADMIN: "Admin", EDITOR: "Editor", VIEWER: "Viewer"}
SECRET_SETTINGS = {
    "dingding": ("url",),
    "wecom": ("url", "secret"),
    "webhook": ("password", "authorization_credentials"),
}


class RefusedError(Exception):
    def __init__(self, code, message, **more):
        super().__init__(message)
        self.code, self.body = code, {"message": message} | more


class GrafanaServer(ThreadingHTTPServer):
    """Listens on 127.0.0.1 at a port of its own. `changes` lists every request that changed something."""

    daemon_threads = True

    def __init__(self, version="11.6.0", engine=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.version, self.engine = version, engine
        self.one_tree = True
        """False: a later Grafana, without the interface to the one tree of policies."""
        self.meanwhile = lambda: None
        """What somebody else does just before a dashboard is saved."""
        self.changes = []
        self.invalid = []
        self.datasources, self.folders, self.dashboards, self.rules, self.points = {}, {}, {}, {}, {}
        self.intervals, self.templates = {}, {}
        self.add_point(
            {"uid": "default", "name": "grafana-default-email", "type": "email", "settings": {"addresses": "x"}}
        )
        self.tree = {"receiver": "grafana-default-email", "group_by": ["grafana_folder", "alertname"]}

    def handle_error(self, *_):
        """Keep what a client breaks off to the test; whatever else goes wrong here fails it."""
        error = sys.exception()
        if not isinstance(error, (ssl.SSLError, ConnectionError)):
            self.invalid.append(repr(error))

    def add_point(self, point):
        self.points[point["uid"]] = {"disableResolveMessage": False} | point

    def state(self):
        """All that is kept, to compare before and after."""
        kept = (self.datasources, self.folders, self.dashboards, self.rules, self.points, self.intervals, self.tree)
        return copy.deepcopy((*kept, self.templates))


class _Handler(BaseHTTPRequestHandler):
    server: GrafanaServer

    def do_GET(self):
        self._serve("GET")

    def do_POST(self):
        self._serve("POST")

    def do_PUT(self):
        self._serve("PUT")

    def log_message(self, *_):
        """Keep the test's output to the test."""

    def _serve(self, method):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            status, body = self._route(method, urllib.parse.urlsplit(self.path).path, raw)
        except RefusedError as refusal:
            status, body = refusal.code, refusal.body
        answer = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _route(self, method, path, raw):
        if (method, path) == ("GET", "/api/health"):
            return 200, {"database": "ok", "version": self.server.version, "commit": "0"}
        role = ROLES.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if role is None:
            raise RefusedError(401, "Invalid API key")
        for verb, pattern, schema, least, handle in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and verb == method:
                if ["Viewer", "Editor", "Admin"].index(role) < ["Viewer", "Editor", "Admin"].index(least):
                    raise RefusedError(
                        403, "You'll need additional permissions to perform this action.", title="Access denied"
                    )
                arguments = [urllib.parse.unquote(part) for part in match.groups()]
                if schema:
                    arguments.append(self._valid(schema, raw, f"{method} {path}"))
                if method != "GET" and not path.endswith("/ds/query"):
                    self.server.changes.append(f"{method} {path}")
                return handle(self, *arguments)
        raise RefusedError(404, "Not found")

    def _valid(self, schema, raw, what):
        body = json.loads(raw)
        validator = Draft7Validator({"$ref": f"#/definitions/{schema}", "definitions": DEFINITIONS})
        errors = [f"{what}: {'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(body)]
        if errors:
            self.server.invalid += errors
            raise RefusedError(400, f"bad request data: {errors[0]}")
        return body

    def _provenance(self, there=None):
        """Return what a write leaves as provenance; an existing one does not change by another way of writing."""
        wanted = "" if self.headers.get("X-Disable-Provenance") else "api"
        if there is not None and there.get("provenance", "") not in ("", wanted):
            raise RefusedError(403, f"cannot change provenance from '{there['provenance']}' to '{wanted}'")
        return {"provenance": wanted} if wanted else {}

    def datasource(self, uid):
        return 200, _found(self.server.datasources, uid, "Data source not found")

    def add_datasource(self, body):
        kept = self.server.datasources
        if body["uid"] in kept or any(body["name"] == one["name"] for one in kept.values()):
            raise RefusedError(409, "data source with the same name already exists")
        kept[body["uid"]] = self._stored_datasource(body, 1)
        return 200, {"message": "Datasource added", "datasource": kept[body["uid"]]}

    def put_datasource(self, uid, body):
        there = _found(self.server.datasources, uid, "Data source not found")
        if there.get("readOnly"):
            raise RefusedError(403, "Cannot update read-only data source")
        if body.get("version", there["version"]) != there["version"]:
            raise RefusedError(409, "Datasource has already been updated by someone else. Please reload and try again")
        self.server.datasources[uid] = self._stored_datasource(body, there["version"] + 1)
        return 200, {"message": "Datasource updated"}

    @staticmethod
    def _stored_datasource(body, version):
        secrets = body.pop("secureJsonData", {})
        fields = {"secureJsonFields": dict.fromkeys(secrets, True), "version": version, "readOnly": False}
        return {"basicAuthUser": "", "database": "", "user": ""} | body | fields

    def health(self, uid):
        _found(self.server.datasources, uid, "Data source not found")
        try:
            urllib.request.urlopen(f"{self.server.engine}/ping", timeout=5).close()
        except (OSError, ValueError) as error:
            raise RefusedError(400, f"error performing influxQL query: {error}", status="ERROR") from None
        return 200, {"status": "OK", "message": "datasource is working. 3 measurements found"}

    def folder(self, uid):
        return 200, _found(self.server.folders, uid, "folder not found")

    def add_folder(self, body):
        if body["uid"] in self.server.folders:
            raise RefusedError(409, "a folder with the same uid already exists")
        self.server.folders[body["uid"]] = body | {"version": 1}
        return 200, self.server.folders[body["uid"]]

    def dashboard(self, uid):
        return 200, _found(self.server.dashboards, uid, "Dashboard not found")

    def save_dashboard(self, body):
        self.server.meanwhile()
        board, kept = body["dashboard"], self.server.dashboards
        folder = body.get("folderUid", "")
        if folder and folder not in self.server.folders:
            raise RefusedError(404, "folder not found")
        there = kept.get(board["uid"])
        if there and there["meta"].get("provisioned"):
            raise RefusedError(400, "Cannot save provisioned dashboard")
        version = there["dashboard"]["version"] if there else 0
        if there and not body.get("overwrite") and board.get("version", 0) != version:
            raise RefusedError(412, "The dashboard has been changed by someone else", status="version-mismatch")
        stored = board | {"id": len(kept) + 1, "version": version + 1}
        kept[board["uid"]] = {"dashboard": stored, "meta": {"folderUid": folder, "provisioned": False}}
        return 200, {"uid": board["uid"], "status": "success", "version": version + 1}

    def rules(self):
        return 200, list(self.server.rules.values())

    def add_rule(self, body):
        if body["uid"] in self.server.rules:
            raise RefusedError(409, "conflict: rule with this uid already exists")
        return 201, self._store_rule(body, self._provenance())

    def put_rule(self, uid, body):
        there = _found(self.server.rules, uid, "alert rule not found")
        return 200, self._store_rule(body, self._provenance(there))

    def _store_rule(self, body, provenance):
        if body["folderUID"] not in self.server.folders:
            raise RefusedError(400, "invalid alert rule: folder does not exist")
        if body["condition"] not in [query["refId"] for query in body["data"]]:
            raise RefusedError(400, "invalid alert rule: condition is not a query")
        body = copy.deepcopy(body)
        for query in body["data"]:  # as Grafana does on its own
            query["model"] |= {"intervalMs": 1000, "maxDataPoints": 43200}
        self.server.intervals.setdefault((body["folderUID"], body["ruleGroup"]), 60)
        stored = {"isPaused": False} | body | {"orgID": 1, "id": 7, "updated": "2026-01-01T00:00:00Z"} | provenance
        self.server.rules[body["uid"]] = stored
        return stored

    def group(self, folder, name):
        if (folder, name) not in self.server.intervals:
            raise RefusedError(404, "rule group not found")
        rules = [r for r in self.server.rules.values() if (r["folderUID"], r["ruleGroup"]) == (folder, name)]
        interval = self.server.intervals[folder, name]
        return 200, {"title": name, "folderUid": folder, "interval": interval, "rules": rules}

    def put_group(self, folder, name, body):
        _, there = self.group(folder, name)
        for rule in there["rules"]:
            self._provenance(rule)
        for rule in there["rules"]:
            del self.server.rules[rule["uid"]]
        self.server.intervals[folder, name] = body["interval"]
        for rule in body["rules"]:
            self._store_rule(rule, {"provenance": rule["provenance"]} if rule.get("provenance") else {})
        return 200, body

    def template(self, name):
        return 200, _found(self.server.templates, name, "template not found")

    def put_template(self, name, body):
        there = self.server.templates.get(name)
        if there and body.get("version") not in (None, "", there["version"]):
            raise RefusedError(409, "provided version of template does not match current version")
        version = f"v{int(there['version'][1:]) + 1 if there else 1}"
        kept = {"name": name, "template": body["template"], "version": version} | self._provenance(there)
        self.server.templates[name] = kept
        return 202, kept

    def contact_points(self):
        return 200, [self._shown(point) for point in self.server.points.values()]

    @staticmethod
    def _shown(point):
        hidden = dict.fromkeys(SECRET_SETTINGS.get(point["type"], ()), "[REDACTED]")
        settings = {name: hidden.get(name, value) for name, value in point["settings"].items()}
        return {"provenance": ""} | point | {"settings": settings}

    def add_contact_point(self, body):
        if body["uid"] in self.server.points:
            raise RefusedError(409, "conflict: receiver configuration with this UID already exists")
        self.server.add_point(body | self._provenance())
        return 202, body

    def put_contact_point(self, uid, body):
        there = _found(self.server.points, uid, "contact point not found")
        self.server.points[uid] = body | self._provenance(there)
        return 202, {"message": "contactpoint updated"}

    def policies(self):
        if not self.server.one_tree:
            raise RefusedError(404, "Not found")
        return 200, {"provenance": ""} | self.server.tree

    def put_policies(self, body):
        names = {point["name"] for point in self.server.points.values()}
        for route in (body, *body.get("routes", ())):
            if route["receiver"] not in names:
                raise RefusedError(400, f"invalid object specification: receiver '{route['receiver']}' does not exist")
        self.server.tree = body | self._provenance(self.server.tree)
        return 202, {"message": "policies updated"}

    def query(self, body):
        results = {}
        for query in body["queries"]:
            source = self.server.datasources.get(query["datasource"]["uid"])
            if source is None:
                raise RefusedError(404, "data source not found")
            results[query["refId"]] = self._ask(query, source, int(body["from"]), int(body["to"]))
        return (400 if any("error" in result for result in results.values()) else 200), {"results": results}

    def _ask(self, query, source, begin, end):
        statement = query["query"].replace("$timeFilter", f"time >= {begin}ms and time <= {end}ms")
        statement = statement.replace("$__interval", f"{query['intervalMs']}ms")
        form = urllib.parse.urlencode({"q": statement, "db": source["jsonData"]["dbName"], "epoch": "ms"}).encode()
        try:
            with urllib.request.urlopen(f"{self.server.engine}/query", form) as answer:
                result = json.load(answer)["results"][0]
        except urllib.error.HTTPError as error:
            with error:
                result = json.load(error)
        if "error" in result:
            return {"status": 400, "error": result["error"], "frames": []}
        frames = [{"data": {"values": list(zip(*one["values"], strict=True))}} for one in result.get("series", [])]
        return {"status": 200, "frames": frames}


def _found(kept, uid, message):
    if uid not in kept:
        raise RefusedError(404, message)
    return kept[uid]


PROVISIONING = "/api/v1/provisioning"
GROUP = f"{PROVISIONING}/folder/([^/]+)/rule-groups/([^/]+)"
ROUTES = [
    ("GET", "/api/datasources/uid/([^/]+)", None, "Admin", _Handler.datasource),
    ("GET", "/api/datasources/uid/([^/]+)/health", None, "Viewer", _Handler.health),
    ("POST", "/api/datasources", "AddDataSourceCommand", "Admin", _Handler.add_datasource),
    ("PUT", "/api/datasources/uid/([^/]+)", "UpdateDataSourceCommand", "Admin", _Handler.put_datasource),
    ("GET", "/api/folders/([^/]+)", None, "Viewer", _Handler.folder),
    ("POST", "/api/folders", "CreateFolderCommand", "Editor", _Handler.add_folder),
    ("GET", "/api/dashboards/uid/([^/]+)", None, "Viewer", _Handler.dashboard),
    ("POST", "/api/dashboards/db", "SaveDashboardCommand", "Editor", _Handler.save_dashboard),
    ("GET", f"{PROVISIONING}/alert-rules", None, "Editor", _Handler.rules),
    ("POST", f"{PROVISIONING}/alert-rules", "ProvisionedAlertRule", "Editor", _Handler.add_rule),
    ("PUT", f"{PROVISIONING}/alert-rules/([^/]+)", "ProvisionedAlertRule", "Editor", _Handler.put_rule),
    ("GET", GROUP, None, "Editor", _Handler.group),
    ("PUT", GROUP, "AlertRuleGroup", "Editor", _Handler.put_group),
    ("GET", f"{PROVISIONING}/templates/([^/]+)", None, "Editor", _Handler.template),
    ("PUT", f"{PROVISIONING}/templates/([^/]+)", "NotificationTemplateContent", "Editor", _Handler.put_template),
    ("GET", f"{PROVISIONING}/contact-points", None, "Editor", _Handler.contact_points),
    ("POST", f"{PROVISIONING}/contact-points", "EmbeddedContactPoint", "Editor", _Handler.add_contact_point),
    ("PUT", f"{PROVISIONING}/contact-points/([^/]+)", "EmbeddedContactPoint", "Editor", _Handler.put_contact_point),
    ("GET", f"{PROVISIONING}/policies", None, "Editor", _Handler.policies),
    ("PUT", f"{PROVISIONING}/policies", "Route", "Editor", _Handler.put_policies),
    ("POST", "/api/ds/query", "MetricRequest", "Viewer", _Handler.query),
]
