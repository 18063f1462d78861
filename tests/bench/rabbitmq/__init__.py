"""Speed on RabbitMQ beside bare py-amqp and others: `python -m tests.bench.rabbitmq`."""
