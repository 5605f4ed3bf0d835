"""Updates: the story of each device's firmware, from the offer to the proof that it runs (GBCS section 11, ZCL 11).

* `signs.py`: what OTA commands say beside the image;
* `readings.py`: what GBCS messages say about firmware;
* `gathering.py`: which of all that belongs to which device and image;
* `roles.py`: what kind of device it is, and so which flow it follows;
* `orders.py`: orders to activate, and what came of them;
* `claims.py`: what the witnesses say, and whether they agree;
* `case.py`, `judging.py`, `delivery.py`: how far it came, and why not further;
* `timeline.py`: its steps;
* `telling.py`: the result.
"""
