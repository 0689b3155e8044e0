from importlib.metadata import entry_points, packages_distributions

import pytest

PACKAGES = ("service", "models", "consumers", "producers")


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_has_a_package_of_our_name(package):
    assert set(packages_distributions().get(package, [])) <= {"askance"}


def test_the_console_script_is_installed_and_starts_the_command_line():
    (script,) = entry_points(group="console_scripts", name="askance")

    assert script.value == "service.cli:main"
    assert callable(script.load())
