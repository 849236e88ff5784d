"""Wait until the Ray at RAY_ADDRESS has a number of processors, and ask its autoscaler for them if it has one.

python examples/clusters/wait_for_processors.py 16

Clew asks for all its actors at once, and refuses to begin on a Ray with fewer processors. An autoscaler starts nodes
only when they are asked for, and nodes of a cluster that has just been started join one by one.
"""

import argparse
import time

import ray
from ray.autoscaler.sdk import request_resources


def main() -> None:
    """Wait, and fail if the processors aren't there in time."""
    parser = argparse.ArgumentParser(description="Wait until a Ray has a number of processors.")
    parser.add_argument("processors", type=int)
    parser.add_argument("--seconds", type=float, default=900, help="how long to wait")
    options = parser.parse_args()
    ray.init(logging_level="error", log_to_driver=False)
    until, said = time.monotonic() + options.seconds, -1
    request_resources(num_cpus=options.processors)
    try:
        while (found := int(ray.cluster_resources().get("CPU", 0))) < options.processors:
            if time.monotonic() > until:
                raise SystemExit(f"after {options.seconds:g} s Ray has {found} of {options.processors} processors")
            if found != said:
                print(f"waiting for processors: {found} of {options.processors}", flush=True)
            said = found
            time.sleep(1)
    finally:
        request_resources(num_cpus=0)  # from now on the actors hold them


if __name__ == "__main__":
    main()
