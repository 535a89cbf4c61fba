"""The embedded executor: a made-up but consistent world behind documented APIs."""

from goat_ray.executors.sandbox.executor import SandboxExecutor

__all__ = ["SandboxExecutor"]
