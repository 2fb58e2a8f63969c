"""YAML that holds nothing but data, with no field twice: PyYAML takes the last of two and says nothing."""

from collections.abc import Hashable

import yaml


class _Loader(yaml.SafeLoader):
    """The safe loader, which refuses doubled fields."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"expected each field once, found {key.value!r} twice", key.start_mark
                    )
                seen.add((key.tag, key.value))
        found: dict[Hashable, object] = super().construct_mapping(node, deep)
        return found


def parse(text: str) -> object:
    """Read a text as data: mappings, lists, text, numbers, dates; None for an empty one.

    Raises:
        yaml.YAMLError: it is not YAML, is more than data, or names a field twice.
        ValueError: a date or number that cannot be; also AttributeError and RecursionError, as PyYAML has them.
    """
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
