"""Security contexts as the restricted pod security standard requires them, and a little stricter. Pure."""

from collections.abc import Sequence

from kubernetes.aio import client


def pod_security(user: int, groups: Sequence[int] = ()) -> client.V1PodSecurityContext:
    """Builds the context of a pod that runs as this user, who is also its group, with these supplemental groups."""
    return client.V1PodSecurityContext(
        run_as_non_root=True,
        run_as_user=user,
        run_as_group=user,
        supplemental_groups=list(groups) or None,
        fs_group=user,  # lets that user read the projected token and write the scratch volume
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=client.V1SeccompProfile(type="RuntimeDefault"),
    )


def container_security() -> client.V1SecurityContext:
    """Builds the context of a container without privileges on a read-only file system."""
    return client.V1SecurityContext(
        allow_privilege_escalation=False,
        privileged=False,
        read_only_root_filesystem=True,
        capabilities=client.V1Capabilities(drop=["ALL"]),
    )
