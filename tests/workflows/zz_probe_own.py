import time, pytest
from pathlib import Path
from django.conf import settings as s
from tests.workflows import test_cancelling as t
from tests.workflows.test_cancelling import _stat, descendants, deploy, services, database_url, Run, Worker
@pytest.mark.django_db(transaction=True)
def test_probe(api, owner):
    deploy(owner, t.FOR_EVER, runtime="monty", limits={"wall_seconds": 300, "cpu_seconds": 300})
    var = Path(s.VAR_DIR)
    with services.valkey(var), services.worker(var, database_url()) as worker:
        t.until(Worker.objects.exclude(sandbox={}).exists, seconds=300)
        made = api.post("/api/tickets", {"agent_id": "echo"}).json()
        print(made)
        for i in range(6):
            time.sleep(2)
            print(i, Run.objects.values_list("status","attempt","error","blocker","blocker_detail"), [(p,_stat(p)[:1],_stat(p)[11:13]) for p in descendants(worker.pid)], flush=True)
    print(Worker.objects.values_list("sandbox"))
