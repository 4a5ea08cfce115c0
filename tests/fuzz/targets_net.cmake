sealmq_fuzz(websocket_frames net)
sealmq_fuzz(http_head net)
sealmq_fuzz(proxy_header net)
sealmq_fuzz(psk_file net)
