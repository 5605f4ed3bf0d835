"""Updates: the story of each device's firmware, from the offer to the proof that it runs (GBCS section 11, ZCL 11).

* `signs.py`: what OTA commands say beside the image;
* `readings.py`: what GBCS messages say about firmware;
* `gathering.py`: which of all that belongs to which device and image;
* `roles.py`: what kind of device it is, and so which flow it follows;
* `judging.py`: how far it came, and why not further;
* `telling.py`: the result.
"""
