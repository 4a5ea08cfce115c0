sealmq_fuzz(mqtt_decode mqtt)
sealmq_fuzz(mqtt_connection mqtt)
sealmq_fuzz(mqtt_topic mqtt)
