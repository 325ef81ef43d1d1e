"""The file that has listener and proxies speak TLS: what it mounts is what the roles read."""

from pathlib import Path

import yaml
from tls.authorities import Authority

from controller.channel import ChannelFiles
from controller.environment import listener_settings, proxy_settings

STACK = Path(__file__).parents[2] / "charts" / "swarmgate" / "tls.yml"


def test_both_sides_find_their_certificates_and_each_others_authority(tmp_path: Path) -> None:
    services = yaml.safe_load(STACK.read_text(encoding="utf-8"))["services"]
    authority = Authority.new()
    content = {"swarmgate_ca": authority.pem} | {
        f"swarmgate_{side}": authority.issue(side).pem for side in ("listener", "proxy")
    }
    for service, settings_of in (("swarm-listener", listener_settings), ("proxy", proxy_settings)):
        folder = tmp_path / service
        folder.mkdir()
        for secret in services[service]["secrets"]:
            (folder / secret["target"]).write_text(content[secret["source"]], encoding="ascii")
        files = ChannelFiles.of(settings_of(secrets_dir=folder))
        assert files is not None
        assert {path.name for path in folder.iterdir()} == {files.cert.name, files.ca.name}
    assert services["proxy"]["environment"]["LISTENER_ADDRESS"].startswith("https://")
