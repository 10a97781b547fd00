"""What moto lacks: tokens, partial launches, pages, states that take time, throttling, stockouts, faults on request.

Settings come and facts go by requests on /__cloud, as JSON; everything else is AWS.
"""

import io
import json
import re
import sys
import threading
import time
import urllib.parse
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

import attrs

from aws_cloud import wire

CHANGING = re.compile("Run|Terminate|Stop|Create|Delete|Deregister|Register|Put")
BUDGETS = {  # burst, and so many a second: EC2's published ones
    "Describe": (100, 20),
    "RunInstances": (5, 2),
    "TerminateInstances": (100, 5),
    "CreateTags": (100, 10),
    "": (50, 5),
}


@attrs.define(kw_only=True)
class Settings:
    """How the cloud behaves; times are seconds."""

    boot_s: float = 0.05
    check_s: float = 0.05
    build_s: float = 0.1
    terminate_s: float = 0.1
    gone_s: float = 60.0
    page: int = 1000
    visible_s: float = 0.0
    image_s: float = 0.1
    drain_s: float = 0.2
    throttle: bool = False
    capacity: dict = attrs.field(factory=dict)
    shunned: str = ""


@attrs.define
class Vm:
    zone: str
    kind: str
    at: float
    builder: bool
    ended_at: float | None = None
    stopped: bool = False
    reaped: bool = False
    region: str = "us-east-1"


class Refusal(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message

    def body(self) -> bytes:
        root = ET.Element("Response")
        error = ET.SubElement(ET.SubElement(root, "Errors"), "Error")
        ET.SubElement(error, "Code").text = self.code
        ET.SubElement(error, "Message").text = self.message
        ET.SubElement(root, "RequestID").text = str(uuid.uuid4())
        return ET.tostring(root)


class Dropped(Exception):
    """The connection is to be closed without an answer."""


@attrs.define
class Asked:
    """One request on its way to moto."""

    environ: dict
    params: dict
    body: bytes
    service: str
    key: str
    region: str

    @property
    def action(self) -> str:
        return self.params.get("Action", self.environ["REQUEST_METHOD"])

    def all_filters(self) -> dict[str, list[str]]:
        """Return the values of each filter."""
        names = {p.split(".")[1]: value for p, value in self.params.items() if re.fullmatch(r"Filter\.\d+\.Name", p)}
        return {
            name: [value for p, value in self.params.items() if p.startswith(f"Filter.{place}.Value.")]
            for place, name in names.items()
        }

    def filters(self, name: str) -> list[str] | None:
        """Take a filter out of the request, and return its values; None if it isn't there."""
        found = {}
        for param, value in list(self.params.items()):
            if match := re.match(r"Filter\.(\d+)\.", param):
                found.setdefault(match[1], {})[param] = value
        kept, values = [], None
        for params in (found[place] for place in sorted(found, key=int)):
            for param in params:
                del self.params[param]
            if any(param.endswith(".Name") and value == name for param, value in params.items()):
                values = [value for param, value in params.items() if ".Value." in param]
            else:
                kept.append(params)
        for place, params in enumerate(kept, 1):
            self.params |= {re.sub(r"Filter\.\d+", f"Filter.{place}", param): value for param, value in params.items()}
        return values


class Layer:
    """A WSGI application in front of moto's."""

    def __init__(self, moto, now=time.time) -> None:
        self.moto = moto
        self.now = now
        self.answers: dict[str, tuple] = {}
        self.lock = threading.RLock()
        self.changed = 1
        self.reset()

    def reset(self) -> None:
        self.changed += 1
        self.settings = Settings()
        self.vms: dict[str, Vm] = {}
        self.items: dict[str, ET.Element] = {}
        self.tokens: dict[tuple[str, str], tuple[dict, list[str], bytes]] = {}
        self.draining: dict[tuple[str, str], float] = {}
        self.images: dict[str, float] = {}
        self.impaired: set[str] = set()
        self.faults: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self.buckets: dict[str, tuple[float, float]] = {}
        self.subnets: dict[str, str] = {}

    def warm_up(self, types: Sequence[str]) -> None:
        """Ask once for what takes moto long, as the driver asks for it."""
        wanted = {"Filter.1.Name": "instance-type", **{f"Filter.1.Value.{n}": one for n, one in enumerate(types, 1)}}
        offered = {"MaxResults": "1000", "LocationType": "availability-zone"}
        for action, params in (
            ("DescribeInstanceTypes", {"MaxResults": "100"}),
            ("DescribeInstanceTypeOfferings", offered),
        ):
            self.remembered(self.own("ec2", {"Action": action, **params, **wanted}, {}))

    # -- the way in ---------------------------------------------------------------------------------------------------

    def __call__(self, environ, start_response):
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size) if size else b""
        if environ["PATH_INFO"].startswith("/__cloud"):
            return self.admin(environ, body, start_response)
        try:
            status, headers, answer = self.answer(environ, body)
        except Dropped:
            environ["werkzeug.socket"].shutdown(2)
            start_response("500 Dropped", [("Content-Length", "0")])
            return []
        start_response(status, headers)
        return [answer]

    def admin(self, environ, body: bytes, start_response):
        verb = environ["PATH_INFO"].rpartition("/")[2]
        said = json.loads(body or b"{}")
        told: object = {}
        with self.lock:
            if verb == "settings":
                for name, value in said.items():
                    setattr(self.settings, name, value)
            elif verb == "fault":
                self.faults[said["key"]] = said["fault"]
            elif verb == "impair":
                self.impaired.add(said["id"])
            elif verb == "reclaim":
                self.vms[said["id"]].ended_at = self.now()
            elif verb == "counts":
                told = dict(self.counts)
            elif verb == "clear":
                self.counts.clear()
            elif verb == "violations":
                told = self.violations
            elif verb == "reset":
                self.reset()
        answer = json.dumps(told).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]

    def answer(self, environ, body: bytes):
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        credential = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/", authorization)
        key, region, service = credential.groups() if credential else ("", "", "")
        is_query = service in wire.MODELS
        params = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)) if is_query else {}
        asked = Asked(environ, params, body, service, key, region)
        if found := list(self.wrong(asked)):
            self.violations += found
            return self.refused(Refusal(400, "ContractViolation", "; ".join(found)))
        with self.lock:
            self.counts["DryRun" if asked.params.get("DryRun") == "true" else asked.action] += 1
            strikes = self.fault_of(asked)
        if strikes == "silence":
            time.sleep(20)
            raise Dropped
        if strikes == "lost before":
            raise Dropped
        try:
            if strikes == "throttled":
                raise Refusal(503, "RequestLimitExceeded", "Request limit exceeded.")
            with self.lock:
                self.spend(asked)
                handle = getattr(self, f"on_{asked.action}", self.forward)
                answer = handle(asked) if is_query else self.forward(asked)
                self.fail_page(asked, answer)
        except Refusal as refusal:
            answer = self.refused(refusal)
        if strikes == "lost after":
            raise Dropped
        return answer

    def wrong(self, asked: Asked) -> Iterator[str]:
        """Yield what the models of the services have against a request."""
        if asked.service in wire.MODELS:
            # Machine types come more often than models: the service itself tells of those that it doesn't know.
            found = wire.faults(asked.service, asked.params)
            yield from (one for one in found if not one.startswith("RunInstances.InstanceType: "))
        elif asked.service == "s3":
            headers = {
                name[5:].replace("_", "-").lower(): value
                for name, value in asked.environ.items()
                if name.startswith("HTTP_")
            }
            yield from wire.s3_faults(asked.environ["REQUEST_METHOD"], asked.environ["PATH_INFO"], headers)
        elif not asked.environ["PATH_INFO"].startswith("/moto-api/") and asked.environ["REQUEST_METHOD"] != "GET":
            yield f"a request that isn't signed for a known service: {asked.action}"

    def fault_of(self, asked: Asked) -> str | None:
        """Take the fault that befalls this request. Losses befall what changes something; a look at a key is spared."""
        fault = self.faults.get(asked.key)
        looks = "tag:vmpattern-key" in asked.params.values()
        lost = fault in ("lost before", "lost after") and not CHANGING.match(asked.action)
        if fault is None or looks or lost or fault == "failed page":
            return None
        return self.faults.pop(asked.key)

    def fail_page(self, asked: Asked, answer) -> None:
        fault = self.faults.get(asked.key)
        if fault == "failed page" and asked.action.startswith("Describe") and b"<nextToken>" not in answer[2]:
            del self.faults[asked.key]
            raise Refusal(500, "InternalError", "An internal error has occurred")

    def spend(self, asked: Asked) -> None:
        if not self.settings.throttle or asked.service != "ec2":
            return
        names = [name for name in BUDGETS if asked.action.startswith(name)]
        name = max(names, key=len)
        burst, rate = BUDGETS[name]
        level, at = self.buckets.get(name, (burst, self.now()))
        level = min(burst, level + (self.now() - at) * rate)
        if level < 1:
            raise Refusal(503, "RequestLimitExceeded", "Request limit exceeded.")
        self.buckets[name] = (level - 1, self.now())

    def refused(self, refusal: Refusal):
        body = refusal.body()
        headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]
        return f"{refusal.status} Refused", headers, body

    # -- the way to moto ----------------------------------------------------------------------------------------------

    def forward(self, asked: Asked):
        self.changed += bool(CHANGING.match(asked.action))
        body = urllib.parse.urlencode(asked.params).encode() if asked.params else asked.body
        environ = {**asked.environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        told: list = []
        answer = b"".join(self.moto(environ, lambda status, headers, *_: told.append((status, headers))))
        status, headers = told[0]
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        return status, [*kept, ("Content-Length", str(len(answer)))], answer

    def moto_call(self, service: str, params: dict, environ: dict, region: str) -> ET.Element:
        """Make a call of the layer's own."""
        return self.forwarded(self.own(service, params, environ, region))

    def own(self, service: str, params: dict, environ: dict, region: str = "us-east-1") -> Asked:
        """Return a request of the layer's own."""
        base = {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "HTTP_HOST": "127.0.0.1"}
        base |= {"wsgi.errors": sys.stderr, "SERVER_PROTOCOL": "HTTP/1.1"}
        credential = f"AWS4-HMAC-SHA256 Credential=layer/20260101/{region}/{service}/aws4_request"
        usual = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "QUERY_STRING": "", "HTTP_AUTHORIZATION": credential}
        usual["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
        versions = {"ec2": "2016-11-15", "monitoring": "2010-08-01"}
        asked = {"Version": versions[service], **params}
        return Asked({**base, **environ, **usual}, asked, b"", service, "layer", region)

    def forwarded(self, asked: Asked) -> ET.Element:
        status, _, body = self.forward(asked)
        root = stripped(body)
        if not status.startswith("200"):
            raise Refusal(int(status[:3]), root.findtext(".//Code") or "", root.findtext(".//Message") or "")
        return root

    def whole(self, root: ET.Element):
        body = ET.tostring(root)
        return "200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))], body

    # -- instances ----------------------------------------------------------------------------------------------------

    def on_RunInstances(self, asked: Asked):
        params = asked.params
        self.refuse_wrong(params)
        zone = self.zone_of(asked)
        if params.get("DryRun") == "true":
            answer = self.forward(asked)
            if b"NoSuchEntity" in answer[2]:  # IAM's word, where EC2 has its own
                text = "Value (...) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
                raise Refusal(400, "InvalidParameterValue", text)
            return answer
        place = zone if "SubnetId" in params else asked.region
        token = (place, params.get("ClientToken", str(uuid.uuid4())))
        if token in self.tokens:
            before, ids, body = self.tokens[token]
            if before != params:
                raise Refusal(400, "IdempotentParameterMismatch", "Arguments on this idempotent request differ")
            root = stripped(body)
            for item in root.findall("instancesSet/item"):
                self.restate(item)
            return self.whole(root)
        before, kind = dict(params), params["InstanceType"]
        count = min(int(params["MaxCount"]), self.room(zone, kind))
        if count < int(params["MinCount"]):
            raise Refusal(500, "InsufficientInstanceCapacity", f"no {kind} capacity in the Availability Zone {zone}")
        params["MinCount"] = params["MaxCount"] = str(count)
        script = wire.base64.b64decode(params.get("UserData", ""))
        root = self.forwarded(asked)
        ids = [item.findtext("instanceId") or "" for item in root.findall("instancesSet/item")]
        for id in ids:
            self.vms[id] = Vm(zone, kind, self.now(), b"poweroff" in script, region=asked.region)
        self.items |= {item.findtext("instanceId") or "": item for item in stripped(ET.tostring(root)).iter("item")}
        self.items = {id: item for id, item in self.items.items() if id in self.vms}
        self.tokens[token] = (before, ids, ET.tostring(root))
        for item in root.findall("instancesSet/item"):
            self.restate(item)
        return self.whole(root)

    def refuse_wrong(self, params: dict) -> None:
        if len(wire.base64.b64decode(params.get("UserData", ""))) > 16384:
            raise Refusal(400, "InvalidParameterValue", "User data is limited to 16384 bytes")
        kind = params["InstanceType"]
        if kind not in wire.model("ec2").shape_for("InstanceType").enum:
            raise Refusal(400, "InvalidParameterValue", f"Invalid value '{kind}' for InstanceType.")
        tags = [name for name in params if re.fullmatch(r"TagSpecification\.1\.Tag\.\d+\.Key", name)]
        if len(tags) > 50:
            raise Refusal(400, "TagLimitExceeded", "More than 50 tags specified")
        if any(params[name].lower().startswith("aws:") for name in tags):
            raise Refusal(400, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved")

    def zone_of(self, asked: Asked) -> str:
        subnet = asked.params.get("SubnetId") or asked.params.get("NetworkInterface.1.SubnetId")
        root = self.moto_call("ec2", {"Action": "DescribeSubnets"}, asked.environ, asked.region)
        zones = {
            one.findtext("subnetId"): one.findtext("availabilityZone") or "" for one in root.findall("subnetSet/item")
        }
        if subnet is None:
            zone = asked.params.get("Placement.AvailabilityZone", f"{asked.region}a")
            if zone not in zones.values():
                raise Refusal(400, "InvalidParameterValue", f"Invalid availability zone: [{zone}]")
            return zone
        if subnet not in zones:
            raise Refusal(400, "InvalidSubnetID.NotFound", f"The subnet ID '{subnet}' does not exist")
        return zones[subnet]

    def room(self, zone: str, kind: str) -> int:
        live = sum(vm.zone == zone and vm.kind == kind and vm.ended_at is None for vm in self.vms.values())
        return self.settings.capacity.get(f"{zone}/{kind}", 10**6) - live

    def on_TerminateInstances(self, asked: Asked):
        ids = [value for name, value in asked.params.items() if name.startswith("InstanceId.")]
        gone = [id for id in ids if self.is_gone(id)]
        if gone:
            text = f"The instance IDs '{', '.join(gone)}' do not exist"
            raise Refusal(400, "InvalidInstanceID.NotFound", text)
        if missing := [id for id in ids if id not in self.vms or self.vms[id].region != asked.region]:
            text = f"The instance IDs '{', '.join(missing)}' do not exist"
            raise Refusal(400, "InvalidInstanceID.NotFound", text)
        root = ET.Element("TerminateInstancesResponse")
        items = ET.SubElement(root, "instancesSet")
        for id in ids:
            if self.vms[id].ended_at is None:
                self.vms[id].ended_at = self.now()
            item = ET.SubElement(items, "item")
            ET.SubElement(item, "instanceId").text = id
            ET.SubElement(ET.SubElement(item, "currentState"), "name").text = "shutting-down"
        return self.whole(root)

    def reap(self, environ: dict) -> None:
        """End in moto what lists don't show any more: moto forgets tags at once, EC2 an hour later."""
        due = [id for id, vm in self.vms.items() if not vm.reaped and self.is_gone(id)]
        for id in due:
            self.vms[id].reaped = True
        for region in {self.vms[id].region for id in due}:
            there = [id for id in due if self.vms[id].region == region]
            numbered = {f"InstanceId.{place}": id for place, id in enumerate(there, 1)}
            self.moto_call("ec2", {"Action": "TerminateInstances", **numbered}, environ, region)

    def on_DescribeInstances(self, asked: Asked):
        self.stop_builders(asked.environ)
        self.reap(asked.environ)
        if any(name.startswith("InstanceId.") for name in asked.params):
            return self.forward(asked)
        first = int(asked.params.get("NextToken", "0"))
        size = min(int(asked.params.get("MaxResults", "1000")), self.settings.page)
        wanted = asked.all_filters()
        here = ((id, item) for id, item in self.items.items() if self.vms[id].region == asked.region)
        shown = [item for id, item in here if self.is_shown(id, item, wanted)]
        root = ET.Element("DescribeInstancesResponse")
        reservations = ET.SubElement(root, "reservationSet")
        if page := shown[first : first + size]:
            ET.SubElement(ET.SubElement(reservations, "item"), "instancesSet").extend(page)
        if first + size < len(shown):
            ET.SubElement(root, "nextToken").text = str(first + size)
        return self.whole(root)

    def is_shown(self, id: str, item: ET.Element, wanted: dict[str, list[str]]) -> bool:
        """Tell whether a list shows an instance, as moto told of it when it was launched, in its present state."""
        if self.is_gone(id) or self.now() < self.vms[id].at + self.settings.visible_s:
            return False
        self.restate(item)
        tags = {one.findtext("key") or "": one.findtext("value") or "" for one in item.findall("tagSet/item")}
        has = {
            "instance-id": [id],
            "image-id": [item.findtext("imageId")],
            "instance-state-name": [item.findtext("instanceState/name")],
            "tag-key": list(tags),
            **{f"tag:{key}": [value] for key, value in tags.items()},
        }
        return all(set(has.get(name, ())) & set(values) for name, values in wanted.items())

    def on_CreateTags(self, asked: Asked):
        return self.relabelled(asked)

    def on_DeleteTags(self, asked: Asked):
        return self.relabelled(asked)

    def relabelled(self, asked: Asked):
        """Let moto change tags, and ask it anew about the instances."""
        answer = self.forward(asked)
        ids = [value for name, value in asked.params.items() if name.startswith("ResourceId.") and value in self.items]
        if ids:
            numbered = {f"InstanceId.{place}": id for place, id in enumerate(ids, 1)}
            root = self.moto_call("ec2", {"Action": "DescribeInstances", **numbered}, asked.environ, asked.region)
            for item in root.findall("reservationSet/item/instancesSet/item"):
                self.items[item.findtext("instanceId") or ""] = item
        return answer

    def on_DescribeInstanceTypes(self, asked: Asked):
        return self.remembered(asked)

    def on_DescribeInstanceTypeOfferings(self, asked: Asked):
        return self.remembered(asked)

    def remembered(self, asked: Asked, version: int = 0):
        """Answer from what moto said before, since it takes its time; but not of another version of the world."""
        question = json.dumps([asked.region, asked.params], sort_keys=True)
        known = self.answers.get(question)
        if known is None or known[0] != version:
            known = self.answers[question] = version, self.forward(asked)
        return known[1]

    def restate(self, item: ET.Element) -> None:
        """Let a state take its time."""
        vm, state = self.vms.get(item.findtext("instanceId") or ""), item.find("instanceState/name")
        if vm is None or state is None:
            return
        now, ended_at = self.now(), vm.ended_at
        if ended_at is not None:
            state.text = "shutting-down" if now < ended_at + self.settings.terminate_s else "terminated"
        elif now < vm.at + self.settings.boot_s:
            state.text = "pending"
        else:
            state.text = "stopped" if vm.stopped else "running"

    def is_gone(self, id: str) -> bool:
        vm = self.vms.get(id)
        return vm is not None and vm.ended_at is not None and self.now() > vm.ended_at + self.settings.gone_s

    def stop_builders(self, environ: dict) -> None:
        """Power off the builders whose script is over."""
        for id, vm in self.vms.items():
            due = vm.at + self.settings.boot_s + self.settings.build_s
            if vm.builder and not vm.stopped and vm.ended_at is None and self.now() >= due:
                vm.stopped = True
                self.moto_call("ec2", {"Action": "StopInstances", "InstanceId.1": id}, environ, vm.region)

    def on_DescribeInstanceStatus(self, asked: Asked):
        wanted = asked.filters("instance-status.status")
        for name in ("MaxResults", "NextToken"):
            asked.params.pop(name, None)
        root = self.forwarded(asked)
        items = root.find("instanceStatusSet")
        for item in list(items if items is not None else ()):
            id, status = item.findtext("instanceId") or "", item.find("instanceStatus/status")
            vm = self.vms.get(id)
            boots = vm is not None and self.now() < vm.at + self.settings.boot_s
            if status is None or vm is None or vm.ended_at is not None or vm.stopped or boots:
                items.remove(item)
                continue
            status.text = "ok"
            if self.now() < vm.at + self.settings.boot_s + self.settings.check_s:
                status.text = "initializing"
            if id in self.impaired:
                status.text = "impaired"
            if wanted is not None and status.text not in wanted:
                items.remove(item)
        return self.whole(root)

    # -- images -------------------------------------------------------------------------------------------------------

    def on_CreateImage(self, asked: Asked):
        self.stop_builders(asked.environ)
        tags = {}
        for name in list(asked.params):
            if match := re.match(r"TagSpecification\.2\.Tag\.(\d+)\.(Key|Value)", name):
                tags[f"Tag.{match[1]}.{match[2]}"] = asked.params[name]
            if name.startswith("TagSpecification.2."):
                del asked.params[name]
        name = asked.params["Name"]
        same = {"Action": "DescribeImages", "Owner.1": "self", "Filter.1.Name": "name", "Filter.1.Value.1": name}
        if self.moto_call("ec2", same, asked.environ, asked.region).findall("imagesSet/item"):
            raise Refusal(400, "InvalidAMIName.Duplicate", f"AMI name {name} is already in use")
        root = self.forwarded(asked)
        id = root.findtext("imageId") or ""
        self.images[id] = self.now()
        for snapshot in self.snapshots(id, asked):
            params = {"Action": "CreateTags", "ResourceId.1": snapshot, **tags}
            self.moto_call("ec2", params, asked.environ, asked.region)
        return self.whole(root)

    def on_DescribeImages(self, asked: Asked):
        for name in ("MaxResults", "NextToken"):
            asked.params.pop(name, None)
        root = self.forwarded(asked)
        for item in root.findall("imagesSet/item"):
            at, state = self.images.get(item.findtext("imageId") or "", 0.0), item.find("imageState")
            if state is not None and self.now() < at + self.settings.image_s:
                state.text = "pending"
        return self.whole(root)

    def on_DeregisterImage(self, asked: Asked):
        snapshots = self.snapshots(asked.params["ImageId"], asked)
        deletes = asked.params.pop("DeleteAssociatedSnapshots", "false") == "true"
        root = self.forwarded(asked)
        for snapshot in snapshots if deletes else ():
            params = {"Action": "DeleteSnapshot", "SnapshotId": snapshot}
            self.moto_call("ec2", params, asked.environ, asked.region)
        return self.whole(root)

    def snapshots(self, image: str, asked: Asked) -> list[str]:
        root = self.moto_call("ec2", {"Action": "DescribeImages", "ImageId.1": image}, asked.environ, asked.region)
        found = root.findall("imagesSet/item/blockDeviceMapping/item/ebs/snapshotId")
        return [one.text or "" for one in found]

    # -- balancers and metrics ----------------------------------------------------------------------------------------

    def on_DeregisterTargets(self, asked: Asked):
        root = self.forwarded(asked)
        for name, value in asked.params.items():
            if name.endswith(".Id"):
                self.draining[asked.params["TargetGroupArn"], value] = self.now() + self.settings.drain_s
        return self.whole(root)

    def on_RegisterTargets(self, asked: Asked):
        root = self.forwarded(asked)
        for name, value in asked.params.items():
            if name.endswith(".Id"):
                self.draining.pop((asked.params["TargetGroupArn"], value), None)
        return self.whole(root)

    def on_DescribeTargetHealth(self, asked: Asked):
        root = self.forwarded(asked)
        group, items = asked.params["TargetGroupArn"], root.find(".//TargetHealthDescriptions")
        for item in list(items if items is not None else ()):
            vm, state = self.vms.get(item.findtext("Target/Id") or ""), item.find("TargetHealth/State")
            if vm is None or vm.ended_at is not None:
                items.remove(item)
            elif state is not None:
                up = self.now() > vm.at + self.settings.boot_s + self.settings.check_s
                told = [] if up else ["Elb.InitialHealthChecking", "Initial health checks in progress"]
                if up and self.settings.shunned:
                    told = ["Target.FailedHealthChecks", self.settings.shunned]
                state.text = "initial" if not up else "unhealthy" if told else "healthy"
                for name, text in zip(("Reason", "Description"), told, strict=False):
                    ET.SubElement(item.find("TargetHealth"), name).text = text
        for (where, id), until in self.draining.items():
            if where == group and self.now() < until and items is not None:
                member = ET.SubElement(items, "member")
                ET.SubElement(ET.SubElement(member, "Target"), "Id").text = id
                health = ET.SubElement(member, "TargetHealth")
                ET.SubElement(health, "State").text = "draining"
                ET.SubElement(health, "Reason").text = "Target.DeregistrationInProgress"
                ET.SubElement(health, "Description").text = "Target deregistration is in progress"
        return self.whole(root)

    def on_GetMetricData(self, asked: Asked):
        root = ET.Element("GetMetricDataResponse")
        results = ET.SubElement(ET.SubElement(root, "GetMetricDataResult"), "MetricDataResults")
        for name, id in asked.params.items():
            if match := re.match(r"(MetricDataQueries\.member\.\d+)\..*Dimensions\.member\.1\.Value", name):
                vm = self.vms.get(id)
                running = vm is not None and vm.ended_at is None and self.now() > vm.at + self.settings.boot_s
                member = ET.SubElement(results, "member")
                ET.SubElement(member, "Id").text = asked.params[f"{match[1]}.Id"]
                times, values = (ET.SubElement(member, part) for part in ("Timestamps", "Values"))
                if running:
                    ET.SubElement(times, "member").text = asked.params["EndTime"]
                    ET.SubElement(values, "member").text = "25.0"
        return self.whole(root)


def stripped(body: bytes) -> ET.Element:
    root = ET.fromstring(body)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
