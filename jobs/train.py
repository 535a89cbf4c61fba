"""`ray job submit --working-dir . -- python jobs/train.py --config configs/demo.yaml`."""

from goat_ray.jobs import main

if __name__ == "__main__":
    main("train")
