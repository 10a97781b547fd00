"""A hypervisor that only pretends: Nova's own fake one, with what tests of an API client need besides.

It remembers its servers over a restart, makes snapshots that become active, shows the user data on the console and
what that would echo there, stops a server whose user data powers it off, and does what a server's metadata asks for:
`oslab_fail=build` ends in ERROR, `oslab_delay=SECONDS` builds as slowly as that.
"""

import base64
import io
import re
import shlex

import eventlet
from nova import context as contexts, exception, objects
from nova.compute import power_state, task_states
from nova.image import glance
from nova.scheduler.client import report
from nova.virt import event, fake

POWERS_OFF = "poweroff"
ECHO = re.compile(r"^echo((?: '[^'\n]*'| [\w.:-]+)+)$", re.MULTILINE)
KEPT = ("active", "stopped", "paused", "suspended")
CONSOLE_BYTES = 1024
BOOT_S = 1.0

# On every claim, Nova reads the allocations of every server on the host, one request each: building n servers on one
# host would cost n * n requests. Only a step for PCI devices looks at the answer, and there are none.
report.SchedulerReportClient.get_allocations_for_provider_tree = lambda self, context, nodename: {}


def script_of(instance):
    return base64.b64decode(instance.user_data).decode(errors="replace") if instance.user_data else ""


def echoed(script):
    return "\n".join(" ".join(shlex.split(words)) for words in ECHO.findall(script))


class OslabDriver(fake.FakeDriver):
    vcpus = 100_000
    memory_mb = 100_000_000
    local_gb = 10_000_000

    def init_host(self, host):
        super().init_host(host)
        every = objects.InstanceList.get_by_host(contexts.get_admin_context(), host, expected_attrs=["flavor"])
        for server in every:
            if server.vm_state in KEPT:
                self.instances[server.uuid] = fake.FakeInstance(server.name, server.power_state, server.uuid)
                flavor = server.flavor
                self.resources.claim(vcpus=flavor.vcpus, mem=flavor.memory_mb, disk=flavor.root_gb)

    def spawn(self, context, instance, *arguments, **named):
        asked = instance.metadata or {}
        eventlet.sleep(float(asked.get("oslab_delay", 0)))
        if asked.get("oslab_fail") == "build":
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason="oslab_fail=build")
        super().spawn(context, instance, *arguments, **named)
        if POWERS_OFF in script_of(instance).split():
            # A guest does so when it has booted, and its hypervisor tells Nova.
            eventlet.spawn_after(BOOT_S, self._power_off, instance.uuid)

    def _power_off(self, uuid):
        if uuid in self.instances:
            self.instances[uuid].state = power_state.SHUTDOWN
            self.emit_event(event.LifecycleEvent(uuid, event.EVENT_LIFECYCLE_STOPPED))

    def snapshot(self, context, instance, image_id, update_task_state):
        if instance.uuid not in self.instances:
            raise exception.InstanceNotRunning(instance_id=instance.uuid)
        images = glance.API()
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        image = images.get(context, image_id)
        update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD)
        form = {"name": image["name"], "disk_format": "raw", "container_format": "bare"}
        content = io.BytesIO(f"snapshot of {instance.uuid}".encode())
        whole = {**form, "properties": image.get("properties", {})}
        images.update(context, image_id, whole, content, purge_props=False)

    def get_console_output(self, context, instance):
        script = script_of(instance)
        return f"console of {instance.name}\n{script[:CONSOLE_BYTES]}\n{echoed(script)}\n".encode()
