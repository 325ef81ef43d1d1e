"""Which domains a service answers for, by the way in which they are compared."""

from pathlib import Path

import pytest
from label_effects.edge import Origin, behind, edge

DOMAIN = "shop.example.com"


@pytest.mark.parametrize(
    ("labels", "hosts"),
    [
        pytest.param(("hdr(host)", DOMAIN), (DOMAIN, f"www.{DOMAIN}"), id="whole"),
        pytest.param(("hdr_beg(host)", "shop."), (DOMAIN, f"www.{DOMAIN}"), id="beginning"),
        pytest.param(("hdr_end(host)", DOMAIN), (f"my{DOMAIN}", f"{DOMAIN}.evil.net"), id="end"),
        pytest.param(("hdr_dom(host)", DOMAIN), (f"www.{DOMAIN}", f"my{DOMAIN}"), id="domain and what is below it"),
        pytest.param(("hdr_sub(host)", "example"), (DOMAIN, "shop.test"), id="part"),
        pytest.param(("hdr_reg(host)", "^s.op[.]"), (DOMAIN, f"www.{DOMAIN}"), id="regular expression"),
    ],
)
async def test_service_domain_algo(
    binary: Path, folder: Path, origin: Origin, labels: tuple[str, str], hosts: tuple[str, str]
) -> None:
    """Only hosts that compare so are answered."""
    (algorithm, domain), (answered, left_alone) = labels, hosts
    asked = {"serviceDomain": domain, "serviceDomainAlgo": algorithm}
    async with edge(binary, folder, behind(origin, asked)) as proxy:
        assert (await proxy.ask(host=answered)).status == 200
        assert (await proxy.ask(host=left_alone)).status == 503
