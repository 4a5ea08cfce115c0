foreach(name pmqtt_login pmqtt_paper_connect)
  sealmq_fuzz(${name} schemes)
endforeach()
sealmq_fuzz(hop_layers crypto mqtt)
