"""The cost of a task on Redis."""

from testing.servers import Redis
from tests.integration.reliable_queue.consumers import on


class TestCost:
    def test_a_task_costs_one_command(self, own_broker: Redis) -> None:
        works, tasks = on(own_broker), 50
        works.queue.enqueue(works.note.s("before"))
        works.drain()
        works.queue.enqueue_many(works.note.s(f"{number}") for number in range(tasks))
        client = own_broker.client()
        client.config_resetstat()

        assert works.queue.drain() == tasks

        calls = {name: figures["calls"] for name, figures in client.info("commandstats").items()}
        asked_by_scripts = {
            "lmove",
            "lrem",
            "llen",
            "exists",
            "zrangebyscore",
            "zrange",
            "del",
            "sadd",
        }
        sent = {
            name: count
            for name, count in calls.items()
            if name.removeprefix("cmdstat_") not in asked_by_scripts
        }
        sent = {
            name: count
            for name, count in sent.items()
            if not name.startswith(("cmdstat_config", "cmdstat_client"))
        }
        assert sent == {"cmdstat_evalsha": tasks + 1}
        works.queue.storage.close()
