"""The metrics of a stack, as Prometheus would read them."""

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.stack import Stack


def told_by(stack: Stack) -> dict[str, float]:
    """Each sample by its name with its labels, sorted by label name."""
    return {
        _name(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(stack.text("/metrics"))
        for sample in family.samples
    }


def _name(name: str, labels: dict[str, str]) -> str:
    told = ",".join(f'{label}="{labels[label]}"' for label in sorted(labels))
    return f"{name}{{{told}}}" if told else name
