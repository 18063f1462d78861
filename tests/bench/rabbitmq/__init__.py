"""Speed on RabbitMQ beside bare py-amqp: `python -m tests.bench.rabbitmq`."""
